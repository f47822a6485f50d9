"""What a picture says of its own making: written into the file, and read back."""
