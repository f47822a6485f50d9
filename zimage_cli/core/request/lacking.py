"""What other models take and Z-Image Turbo does not, under the names that other tools give it.

Source: Alibaba Cloud Model Studio's API reference, October 2026: prompt, size, seed and
prompt_extend are all that this model takes.
"""

from __future__ import annotations

from zimage_cli.api.payload import MODEL
from zimage_cli.messages import Message

_SENTENCES = {
    "negative_prompt negative neg n_prompt neg_prompt undesired": Message(
        "Z-Image Turbo takes no negative prompt: say in the prompt what is to be seen."
    ),
    "steps num_steps step num_inference_steps inference_steps sampling_steps": Message(
        "Z-Image Turbo takes no number of steps: the service sets it."
    ),
    "cfg cfg_scale guidance guidance_scale guidance_rescale true_cfg_scale scale": Message(
        "Z-Image Turbo takes no guidance scale: the service sets it."
    ),
    "sampler sampler_name sampling_method scheduler sigma sigmas eta clip_skip": Message(
        "Z-Image Turbo takes no sampler: the service chooses it."
    ),
    "image images init_image image_url ref_image reference_image mask strength denoise": Message(
        "Z-Image Turbo takes no picture: it paints from words alone."
    ),
    "watermark no_watermark add_watermark logo logo_info": Message(
        "Z-Image Turbo has no setting for a watermark."
    ),
    "style styles style_preset lora loras": Message(
        "Z-Image Turbo takes no style: say in the prompt how it is to look."
    ),
    "model model_id model_name checkpoint ckpt": Message(
        "zimage has one model, {model}: it needs no name.", model=MODEL
    ),
}


def lacking(name: str) -> Message | None:
    """Return the sentence for an option or field that this model does not have, None for others."""
    bare = name.lstrip("-").lower().replace("-", "_")
    return next((said for names, said in _SENTENCES.items() if bare in names.split()), None)
