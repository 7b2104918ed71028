"""Terms that may stand beside the cross-entropy on the selected texts, in nats."""

import torch
from torch.nn import functional

IGNORED_LABEL = -100


def compute_unlikelihood(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute how likely a rejected text is, a mean per token: -log(1 - p), Welleck et al. 2020 (arXiv 1908.04319).

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
    """Compute how far the student's distributions are from the teacher's, a mean per token (Hinton et al. 2015).

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


def mark_rejected_tokens(rejected: torch.Tensor, selected: torch.Tensor) -> torch.Tensor:
    """Keep of rejected texts the tokens to unlearn: those that the selected text lacks; the rest become -100.

    Args:
        rejected: labels; rows, tokens.
        selected: labels of the selected text of each row; rows, tokens.
    """
    is_kept = (rejected.unsqueeze(-1) == selected.unsqueeze(-2)).any(-1)
    return rejected.masked_fill(is_kept, IGNORED_LABEL)


def sum_log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum the log-probability of each text over its tokens, in nats; -100 is not counted.

    Args:
        logits: rows, tokens, vocabulary.
        labels: rows, tokens.

    Returns:
        One figure a row.
    """
    log_probabilities = functional.log_softmax(logits.float(), dim=-1)
    chosen = log_probabilities.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return (chosen * (labels != IGNORED_LABEL)).sum(-1)


def compute_verdict_loss(
    logits: torch.Tensor, labels: torch.Tensor, rejected_logits: torch.Tensor, doubt_labels: torch.Tensor, end_id: int
) -> torch.Tensor:
    """Compute how far a student is from ending a selected text, and from saying of a rejected one that it doubts it.

    Args:
        logits: of the student when it is fed the selected texts; rows, tokens, vocabulary.
        labels: of the selected texts; rows, tokens.
        rejected_logits: of the student when it is fed the rejected texts, of which there may be fewer.
        doubt_labels: what should stand after the rejected texts, all others -100; rows, tokens.
        end_id: of the token that ends a text.

    Returns:
        The mean cross-entropy over those tokens, a scalar.
    """
    is_end, is_doubt = labels == end_id, doubt_labels != IGNORED_LABEL
    judged = torch.cat([logits[is_end], rejected_logits[is_doubt]]).float()
    verdicts = torch.cat([labels[is_end], doubt_labels[is_doubt]])
    return functional.cross_entropy(judged, verdicts, reduction="sum") / max(1, len(verdicts))


def compute_preference_loss(margins: torch.Tensor, reference_margins: torch.Tensor, beta: float) -> torch.Tensor:
    """Compute the loss of direct preference optimization, Rafailov et al. 2023 (arXiv 2305.18290).

    Args:
        margins: log-probability of the selected text less that of the rejected one, by the student; one figure a row.
        reference_margins: the same, by the student as it was before.
        beta: how far the student may go from there; smaller is farther.

    Returns:
        A scalar; 0 where there is no row.
    """
    if not margins.numel():
        return margins.sum() * 0.0
    return -functional.logsigmoid(beta * (margins - reference_margins)).mean()
