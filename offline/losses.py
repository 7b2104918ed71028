"""Terms that may stand beside the cross-entropy on the selected texts. All are means per token, in nats."""

import torch
from torch.nn import functional

IGNORED_LABEL = -100


def compute_unlikelihood(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute how likely a rejected text is, token by token: -log(1 - p), Welleck et al. 2020 (arXiv 1908.04319).

    Args:
        logits: of the student when it is fed the rejected text; rows, tokens, vocabulary.
        labels: the rejected text's tokens that the selected text does not have, all others -100; rows, tokens.

    Returns:
        A scalar; 0 where no token is left.
    """
    is_counted = labels != IGNORED_LABEL
    if not is_counted.any():
        return logits.sum() * 0.0
    log_probabilities = functional.log_softmax(logits.float(), dim=-1)
    chosen = log_probabilities.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    # Where p is next to 1 the loss would be infinite.
    unlikelihood = -torch.log1p(-chosen.exp().clamp(max=1 - 1e-4))
    return unlikelihood[is_counted].mean()


def compute_word_level_divergence(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Compute the divergence of the student's next-token distribution from the teacher's (Hinton et al. 2015).

    Args:
        student_logits: rows, tokens, vocabulary.
        teacher_logits: the same shape; both vocabularies are the same.
        labels: rows, tokens; positions with -100 are not counted.
        temperature: softens both distributions; the result is scaled back by its square.
    """
    is_counted = labels != IGNORED_LABEL
    student = functional.log_softmax(student_logits[is_counted].float() / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_logits[is_counted].float() / temperature, dim=-1)
    return functional.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2


def mark_rejected_tokens(rejected: list[int], selected: list[int], special: set[int]) -> list[int]:
    """Keep of a rejected text the tokens to unlearn: those that the selected text lacks; the rest become -100."""
    kept = special | set(selected)
    return [IGNORED_LABEL if token in kept else token for token in rejected]
