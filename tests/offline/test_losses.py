"""The added terms, against values computed by hand, and whether they reward what they should."""

import math

import pytest
import torch

from offline.losses import (
    compute_preference_loss,
    compute_unlikelihood,
    compute_verdict_loss,
    compute_word_level_divergence,
    mark_rejected_tokens,
    sum_log_probabilities,
)


def logits_of(*rows: list[float]) -> torch.Tensor:
    """One text whose tokens have these probabilities."""
    return torch.tensor([rows]).log()


def test_unlikelihood_is_the_mean_over_the_marked_tokens() -> None:
    logits = logits_of([0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6])
    loss = compute_unlikelihood(logits, torch.tensor([[0, 1, -100]]))
    assert loss.item() == pytest.approx((-math.log(0.5) - math.log(0.2)) / 2)


def test_unlikelihood_stays_finite_where_a_token_is_certain() -> None:
    loss = compute_unlikelihood(torch.tensor([[[1000.0, 0.0]]]), torch.tensor([[0]]))
    assert loss.item() == pytest.approx(-math.log(1e-4), rel=1e-2)


def test_without_a_marked_token_unlikelihood_is_0_and_still_has_a_gradient() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = compute_unlikelihood(logits, torch.full((2, 3), -100))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_unlikelihood_goes_down_as_the_rejected_token_does() -> None:
    losses = [compute_unlikelihood(logits_of([p, 1 - p]), torch.tensor([[0]])).item() for p in (0.9, 0.5, 0.1)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1]


def test_divergence_is_kullback_and_leiblers_at_temperature_1() -> None:
    teacher, student = logits_of([0.75, 0.25], [0.9, 0.1]), logits_of([0.5, 0.5], [0.1, 0.9])
    loss = compute_word_level_divergence(student, teacher, torch.tensor([[1, -100]]), temperature=1)
    assert loss.item() == pytest.approx(0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5), rel=1e-5)


def test_divergence_softens_both_sides_and_is_scaled_back() -> None:
    teacher, student = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[0.0, 0.0]]])
    p = 1 / (1 + math.exp(-1))  # Logits 2 and 0, halved.
    expected = 4 * (p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5))
    loss = compute_word_level_divergence(student, teacher, torch.tensor([[0]]), temperature=2)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_divergence_is_a_mean_per_token_however_long_the_text_is() -> None:
    teacher, student = logits_of([0.75, 0.25]), logits_of([0.5, 0.5])
    once = compute_word_level_divergence(student, teacher, torch.tensor([[0]]), 1)
    often = compute_word_level_divergence(
        student.repeat(2, 3, 1), teacher.repeat(2, 3, 1), torch.zeros(2, 3, dtype=torch.long), 1
    )
    assert often.item() == pytest.approx(once.item())


def test_divergence_vanishes_as_the_student_learns_and_a_step_against_its_gradient_lowers_it() -> None:
    teacher, labels = torch.tensor([[[3.0, 1.0, -1.0]]]), torch.tensor([[0]])
    student = torch.zeros(1, 1, 3, requires_grad=True)
    before = compute_word_level_divergence(student, teacher, labels, 2)
    before.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    after = compute_word_level_divergence(student.detach() - 0.1 * student.grad, teacher, labels, 2)
    assert after.item() < before.item()
    assert compute_word_level_divergence(teacher, teacher, labels, 2).item() == pytest.approx(0, abs=1e-7)


def test_only_what_the_selected_text_lacks_is_unlearned() -> None:
    rejected, selected = (
        torch.tensor([[5, 6, 7, 6, 2], [5, 2, -100, -100, -100]]),
        torch.tensor([[5, 7, 2], [6, 2, -100]]),
    )
    assert mark_rejected_tokens(rejected, selected).tolist() == [[-100, 6, -100, 6, -100], [5] + [-100] * 4]


def test_a_texts_log_probability_is_the_sum_over_its_tokens() -> None:
    logits = logits_of([0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6])
    [total] = sum_log_probabilities(logits, torch.tensor([[0, 1, -100]]))
    assert total.item() == pytest.approx(math.log(0.5 * 0.8))


def test_the_preference_loss_looks_at_what_changed_since_the_start() -> None:
    margins, before = torch.tensor([3.0, -1.0]), torch.tensor([1.0, -1.0])
    expected = -(math.log(1 / (1 + math.exp(-0.5 * 2))) + math.log(0.5)) / 2
    assert compute_preference_loss(margins, before, beta=0.5).item() == pytest.approx(expected, rel=1e-5)


def test_without_a_rejected_text_the_preference_loss_is_0() -> None:
    assert compute_preference_loss(torch.zeros(0), torch.zeros(0), beta=0.5).item() == 0


def test_the_verdict_loss_is_the_mean_over_the_ends_of_selected_texts_and_the_doubts_about_rejected_ones() -> None:
    end, doubt, word = 0, 1, 2
    selected = logits_of([0.1, 0.1, 0.8], [0.7, 0.2, 0.1])
    rejected = logits_of([0.3, 0.3, 0.4], [0.5, 0.4, 0.1], [0.9, 0.05, 0.05])
    loss = compute_verdict_loss(
        selected, torch.tensor([[word, end]]), rejected, torch.tensor([[-100, doubt, end]]), end_id=end
    )
    assert loss.item() == pytest.approx(-(math.log(0.7) + math.log(0.4) + math.log(0.9)) / 3)


def test_without_a_rejected_text_the_verdict_loss_is_that_of_the_ends_alone() -> None:
    logits = logits_of([0.25, 0.75])
    loss = compute_verdict_loss(logits, torch.tensor([[0]]), logits, torch.tensor([[-100]]), end_id=0)
    assert loss.item() == pytest.approx(-math.log(0.25))
