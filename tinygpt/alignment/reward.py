"""A model of what people prefer: one number for an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.alignment.preferences import halves
from tinygpt.models import GPT
from tinygpt.training.losses import IGNORE

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from tinygpt.alignment.policy import Reward
    from tinygpt.alignment.preferences import Pairs
    from tinygpt.alignment.rollouts import Rollouts

    Scored = tuple[Float[Tensor, ""], dict[str, Tensor]]


class RewardModel(nn.Module):
    """Scores an answer by what a GPT's normed stream holds at its last token: `w · h`.

    At first w is zero, and with it every score.

    Args:
        body: a GPT, best one that already answers; trained along, so give a copy if you need it as it is.
            Its head is not used.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = RewardModel(GPT(GPTConfig(vocab_size=16, n_layers=1), seed=0))
        >>> model(torch.tensor([[1, 2, 3]]), torch.tensor([[-100, 3, 4]]))
        tensor([0.], grad_fn=<SelectBackward0>)

    Source: Ouyang et al. 2022, "InstructGPT", section 3.5.
    """

    def __init__(self, body: GPT) -> None:
        super().__init__()
        self.body = body
        like = body.embed.weight
        self.score = nn.Linear(body.config.d_model, 1, bias=False, device=like.device, dtype=like.dtype)
        nn.init.zeros_(self.score.weight)

    def forward(self, inputs: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]) -> Float[Tensor, " B"]:
        """Returns the score of each row's answer.

        Args:
            inputs, targets: of `Pairs`, of rollouts or of any stage; the last target that counts (is not
                −100) ends the answer, and is read too.
        """
        rows = torch.arange(len(inputs), device=inputs.device)
        places = torch.arange(1, inputs.shape[1] + 1, device=inputs.device)
        last = ((targets != IGNORE) * places).amax(dim=1)
        tokens = F.pad(inputs, (0, 1))
        tokens[rows, last] = targets[rows, last - 1]
        return self.score(self.body(tokens, unembed=False)[rows, last])[:, 0]


def bradley_terry_loss(model: nn.Module, batch: Pairs) -> Scored:
    """The loss of a reward model: −log of the probability it gives to people's choices.

    `−log σ(score of the chosen − score of the rejected)`: log 2 for a model that knows nothing.

    Args:
        model: a `RewardModel`, or anything that scores (inputs, targets).
        batch: the pairs.

    Returns:
        The mean over the pairs, in nats, and the metrics "accuracy" (share of pairs whose chosen answer has
        the higher score) and "margin" (mean difference of the scores).

    Source: Bradley & Terry 1952; Ouyang et al. 2022, equation 1, with one pair to a prompt.
    """
    chosen, rejected = halves(model(batch.inputs, batch.targets).float())
    margin = chosen - rejected
    metrics = {"accuracy": (margin > 0).float().mean(), "margin": margin.detach().mean()}
    return -F.logsigmoid(margin).mean(), metrics


def learned_reward(model: RewardModel) -> Reward:
    """Returns a reward model as the reward of rollouts, for `ppo_batches`, `best_of` and the like.

    Args:
        model: trained; used without gradients.
    """

    @torch.no_grad()
    def reward(rollouts: Rollouts, truths: list[Any]) -> Float[Tensor, " B"]:
        return model(rollouts.inputs, rollouts.targets)

    return reward
