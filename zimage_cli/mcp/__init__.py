"""zimage as an MCP server: tools for programs, bounded by the person who starts it."""
