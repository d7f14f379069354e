"""Every exercise of the course by its name, in the order of the chapters."""

from __future__ import annotations

from difflib import get_close_matches

from tinygpt.grading.checks.accepting import accept
from tinygpt.grading.checks.adam import adamw_steps
from tinygpt.grading.checks.adapting import lora
from tinygpt.grading.checks.advantages import group_advantages
from tinygpt.grading.checks.attention import attention_weights, causal_attention
from tinygpt.grading.checks.auditing import mended_points, pipeline_faults
from tinygpt.grading.checks.billing import step_flops
from tinygpt.grading.checks.bits import bits_per_byte
from tinygpt.grading.checks.blaming import blamed, credit, mended_loss
from tinygpt.grading.checks.blending import blend
from tinygpt.grading.checks.branching import beam_step
from tinygpt.grading.checks.budgeting import trained_weights
from tinygpt.grading.checks.caching import cached_attention
from tinygpt.grading.checks.choosing import best_of_n_kl
from tinygpt.grading.checks.claiming import study_faults
from tinygpt.grading.checks.clipping import clipped
from tinygpt.grading.checks.counting import counted
from tinygpt.grading.checks.crediting import advantages
from tinygpt.grading.checks.crossing import cross_attention
from tinygpt.grading.checks.cutting import pre_tokenize
from tinygpt.grading.checks.diagnosis import block_faults
from tinygpt.grading.checks.dpo import dpo_pair_loss
from tinygpt.grading.checks.drifting import kl_estimates
from tinygpt.grading.checks.emerging import answer_scores
from tinygpt.grading.checks.filling import chat_targets
from tinygpt.grading.checks.fitting import power_law
from tinygpt.grading.checks.flooring import min_p
from tinygpt.grading.checks.gating import gated_mlp
from tinygpt.grading.checks.grouping import quantise_groups
from tinygpt.grading.checks.heads import multi_head_attention
from tinygpt.grading.checks.honesty import guilty, total_probability
from tinygpt.grading.checks.induction import induction_score
from tinygpt.grading.checks.labelling import answer_labels
from tinygpt.grading.checks.leak import culprit, reads
from tinygpt.grading.checks.lens import answer_ranks
from tinygpt.grading.checks.looping import loop_faults, mended_loop
from tinygpt.grading.checks.mending import mended
from tinygpt.grading.checks.merging import bpe_step
from tinygpt.grading.checks.mixing import mix
from tinygpt.grading.checks.nucleus import top_p
from tinygpt.grading.checks.orthogonal import orthogonal
from tinygpt.grading.checks.passing import pass_at_k
from tinygpt.grading.checks.plugging import merged
from tinygpt.grading.checks.positions import rope
from tinygpt.grading.checks.preferring import pair_loss
from tinygpt.grading.checks.racing import critical_batch
from tinygpt.grading.checks.ranking import encode_with_ranks
from tinygpt.grading.checks.rates import rate_at
from tinygpt.grading.checks.redrawing import group_interval
from tinygpt.grading.checks.repeating import epochs_needed
from tinygpt.grading.checks.rereading import cache_faults
from tinygpt.grading.checks.residual import pre_norm_block
from tinygpt.grading.checks.round_trip import decode_ids, lost_coming_out, lost_going_in
from tinygpt.grading.checks.shaping import token_rewards
from tinygpt.grading.checks.sharing import mixing_weights
from tinygpt.grading.checks.shrinking import shrink
from tinygpt.grading.checks.sifting import sampler_faults
from tinygpt.grading.checks.spending import compute_optimal
from tinygpt.grading.checks.surrogate import clipped_surrogate
from tinygpt.grading.checks.tempering import softmax_with_temperature
from tinygpt.grading.checks.templating import chat_prompt
from tinygpt.grading.checks.tracing import patch_effect
from tinygpt.grading.checks.unpacking import unpacked
from tinygpt.grading.checks.verdicts import verdict
from tinygpt.grading.checks.voting import vote
from tinygpt.grading.checks.widening import rates_by_width
from tinygpt.grading.exercise import Exercise

_NEXT_TOKEN = (bits_per_byte, counted, unpacked, total_probability, guilty, blend)
_TOKENIZATION = (
    bpe_step,
    encode_with_ranks,
    pre_tokenize,
    shrink,
    lost_going_in,
    lost_coming_out,
    decode_ids,
)
_ATTENTION = (
    attention_weights,
    causal_attention,
    multi_head_attention,
    rope,
    induction_score,
    reads,
    culprit,
    mix,
)
_TRANSFORMER = (
    gated_mlp,
    pre_norm_block,
    cross_attention,
    answer_ranks,
    patch_effect,
    block_faults,
    mended,
)
_PRETRAINING = (
    rate_at,
    adamw_steps,
    clipped,
    orthogonal,
    mixing_weights,
    loop_faults,
    mended_loop,
)
_INSTRUCTION = (answer_labels, chat_prompt, lora, merged, trained_weights, chat_targets)
_PREFERENCES = (pair_loss, dpo_pair_loss, advantages, kl_estimates, best_of_n_kl, token_rewards)
_REASONING = (
    group_advantages,
    vote,
    pass_at_k,
    clipped_surrogate,
    verdict,
    credit,
    blamed,
    mended_loss,
)
_SCALING = (
    power_law,
    compute_optimal,
    step_flops,
    group_interval,
    pipeline_faults,
    mended_points,
)
_SCALE = (answer_scores, epochs_needed, rates_by_width, critical_batch, study_faults)
_SAMPLING = (softmax_with_temperature, top_p, min_p, beam_step, sampler_faults)
_INFERENCE = (cached_attention, accept, quantise_groups, cache_faults)
CHAPTERS: dict[str, tuple[Exercise, ...]] = {
    "01_next_token": _NEXT_TOKEN,
    "02_tokenization": _TOKENIZATION,
    "03_attention": _ATTENTION,
    "04_transformer": _TRANSFORMER,
    "05_pretraining": _PRETRAINING,
    "06_instruction_tuning": _INSTRUCTION,
    "07_preferences": _PREFERENCES,
    "08_reasoning": _REASONING,
    "09_scaling_laws": _SCALING,
    "10_scale_in_practice": _SCALE,
    "11_sampling": _SAMPLING,
    "12_inference": _INFERENCE,
}
EXERCISES: dict[str, Exercise] = {e.name: e for chapter in CHAPTERS.values() for e in chapter}


def find(name: str) -> Exercise:
    """The exercise of that name.

    Raises:
        ValueError: There is none; the message names the nearest one.
    """
    if name in EXERCISES:
        return EXERCISES[name]
    near = get_close_matches(name, EXERCISES, 1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"The exercises are {', '.join(EXERCISES)}."
    raise ValueError(f"name must be an exercise; got {name!r}. {remedy}")
