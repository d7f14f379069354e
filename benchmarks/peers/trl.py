"""`trl`: its trainers of SFT, DPO and GRPO on a small GPT-2, made to go one step at a time."""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import SequentialSampler

NAME = "TRL"
SPECIAL = {0: "<pad>", 1: "<end>"}
REPEATS = 8
"""How often a trainer's data set holds the same batch, so that epochs, which cost extra, end seldom."""


def why_not() -> str | None:
    """Returns why this peer is absent, or None."""
    if importlib.util.find_spec("trl") is None:
        return "trl is not installed: pip install 'tinygpt[test]', with Python 3.11 or newer"
    return None


def words(ids: Sequence[int]) -> str:
    """Returns ids as the text that `tokenizer` makes them of."""
    return " ".join(SPECIAL.get(i, f"w{i}") for i in ids)


def tokenizer(vocab_size: int) -> Any:
    """Returns a tokenizer of which each token is a word; 0 is the padding and 1 the end."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(WordLevel({words([i]): i for i in range(vocab_size)}, unk_token=SPECIAL[0]))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=SPECIAL[0], eos_token=SPECIAL[1])


def trainer(
    kind: str, model: Any, rows: Sequence[dict[str, Any]], config: dict[str, Any], **options: Any
) -> Any:
    """Returns a trainer whose batches are all the same rows, in the order given.

    Args:
        kind: "SFT", "DPO" or "GRPO".
        model: trained in place.
        rows: the batch, in the columns that the trainer wants.
        config: of its own config class, beside what keeps it quiet and on the CPU.
        **options: of the trainer.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1", TQDM_DISABLE="1")
    warnings.filterwarnings("ignore")
    import trl
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no", "save_strategy": "no"}
    same = {"use_cpu": True, "gradient_checkpointing": False, "learning_rate": 1e-6, "max_steps": 1_000_000}
    args = {"output_dir": tempfile.mkdtemp(), **quiet, **same, **config}
    made = getattr(trl, f"{kind}Trainer")(
        model,
        args=getattr(trl, f"{kind}Config")(**args),
        train_dataset=Dataset.from_list([*rows] * REPEATS),
        processing_class=tokenizer(model.config.vocab_size),
        **options,
    )
    if kind != "GRPO":  # which repeats each prompt in an order of its own
        made._get_train_sampler = lambda *_: SequentialSampler(made.train_dataset)
    return made


def stepped(made: Any) -> Callable[[], None]:
    """Returns a function that makes one step of `made.train()`, fetching the batch included.

    The trainer runs in a thread, which waits at the end of each step until it is called again.
    """
    from transformers import TrainerCallback

    go, done, failed = threading.Semaphore(0), threading.Semaphore(0), []

    class Pause(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            done.release()
            go.acquire()

    def train() -> None:
        torch.set_num_threads(threads)  # which each thread counts for itself
        go.acquire()
        try:
            made.train()
        except Exception as error:
            failed.append(error)
        done.release()

    def step() -> None:
        go.release()
        done.acquire()
        if failed:
            raise failed[0]

    threads = torch.get_num_threads()
    made.add_callback(Pause())
    threading.Thread(target=train, daemon=True).start()
    return step
