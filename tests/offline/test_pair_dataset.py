"""Pairs as ids: framed, aligned, varied anew in each epoch, and the same way for the same seed."""

import pytest
import torch
from tokenizers import Tokenizer

from offline.manifest import MAX_SOURCE_TOKENS
from offline.pair_dataset import MAX_TARGET_TOKENS, LikeLengthSampler, PairDataset, build_collator
from offline.recorded_rows import TrainingPair
from offline.tokenizer import BEGIN, END, PAD, find_id
from tests.offline.distilling import build_word_pieces

PAIR = TrainingPair("film_thin", "<by-item> <item> <t> a", "<t> is a film .", "<t> is another .")
VARIED = TrainingPair(
    "film_thin", "<by-item> <short> <item> <t> a ; genre drama <love> <h1> the film", "<t> is a drama like <h1> ."
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return build_word_pieces(tmp_path_factory.mktemp("vocabulary"))


def read(tokenizer: Tokenizer, ids: list[int]) -> str:
    return " ".join(str(tokenizer.id_to_token(index)) for index in ids)


def test_a_source_is_framed_and_a_target_only_ends(tokenizer: Tokenizer) -> None:
    row = PairDataset([PAIR], tokenizer)[0]
    assert row.keys() == {"input_ids", "labels"}
    assert read(tokenizer, row["input_ids"]) == "[CLS] <by-item> <item> <t> a [SEP]"
    assert read(tokenizer, row["labels"]) == "<t> is a film . [SEP]"


def test_a_source_that_is_cut_keeps_its_end_and_a_target_that_is_cut_does_not(tokenizer: Tokenizer) -> None:
    row = PairDataset([TrainingPair("film", "a " * 999, "the " * 999)], tokenizer)[0]
    assert len(row["input_ids"]) == MAX_SOURCE_TOKENS
    assert row["input_ids"][-1] == find_id(tokenizer, END)
    assert len(row["labels"]) == MAX_TARGET_TOKENS - 1
    assert row["labels"][-1] == find_id(tokenizer, "the")


def test_a_rejected_text_is_framed_like_a_target(tokenizer: Tokenizer) -> None:
    row = PairDataset([PAIR], tokenizer, has_rejected=True)[0]
    assert read(tokenizer, row["rejected_ids"]) == "[CLS] <t> is another . [SEP]"
    assert read(tokenizer, row["rejected_labels"]) == "<t> is another . [SEP]"


def test_of_a_rejected_text_the_doubt_about_it_is_taught_and_nothing_else(tokenizer: Tokenizer) -> None:
    row = PairDataset([PAIR], tokenizer, has_rejected=True, is_doubt_taught=True)[0]
    assert read(tokenizer, row["rejected_ids"]) == "[CLS] <t> is another . <meh> [SEP]"
    assert read(tokenizer, row["rejected_labels"][:-2]) == "<t> is another ."
    assert row["rejected_labels"][-2:] == [-100, -100]
    assert read(tokenizer, row["doubt_labels"][-2:]) == "<meh> [SEP]"
    assert set(row["doubt_labels"][:-2]) == {-100}
    assert len(row["doubt_labels"]) == len(row["rejected_labels"]) == len(row["rejected_ids"]) - 1


@pytest.mark.parametrize("rejected", [None, "the " * 999])
def test_where_no_text_ends_no_doubt_is_taught(tokenizer: Tokenizer, rejected: str | None) -> None:
    pairs = [TrainingPair("film", "a film", "a film .", rejected), PAIR]
    dataset = PairDataset(pairs, tokenizer, has_rejected=True, is_doubt_taught=True)
    assert dataset[0]["doubt_labels"] == []
    batch = build_collator(find_id(tokenizer, PAD), find_id(tokenizer, BEGIN))([dataset[0], dataset[1]])
    assert batch["doubt_labels"].shape == batch["rejected_labels"].shape == batch["rejected_ids"].shape
    assert set(batch["doubt_labels"][0].tolist()) == {-100}


def test_a_batch_is_padded_and_what_the_decoder_is_fed_is_one_token_behind(tokenizer: Tokenizer) -> None:
    begin, pad, end = (find_id(tokenizer, token) for token in (BEGIN, PAD, END))
    longer = TrainingPair("film", "a film by the lund", "a film .")
    dataset = PairDataset([PAIR, longer], tokenizer, has_rejected=True)
    batch = build_collator(pad, begin)([dataset[0], dataset[1]])
    assert batch["input_ids"].shape == (2, 7)
    assert batch["attention_mask"].tolist() == [[1] * 6 + [0], [1] * 7]
    labels, fed = batch["labels"].tolist(), batch["decoder_input_ids"].tolist()
    assert labels[1] == [*dataset[1]["labels"], -100, -100]
    assert fed[1] == [begin, *dataset[1]["labels"], pad]
    assert fed[0] == [begin, *labels[0][:-1]]
    assert labels[0][-1] == end
    # The second pair has no rejected text: nothing of it is counted.
    assert batch["rejected_ids"].shape == batch["rejected_labels"].shape
    assert (batch["rejected_labels"][1] == -100).all()
    assert batch["rejected_ids"][0].tolist() == [begin, *batch["rejected_labels"][0][:-1].tolist()]


def test_variants_differ_between_epochs_and_are_the_same_for_the_same_seed(tokenizer: Tokenizer) -> None:
    def list_epochs(seed: int | None) -> list[list[list[int]]]:
        dataset = PairDataset([VARIED] * 8, tokenizer, augmentation_seed=seed)
        epochs = []
        for dataset.epoch in range(3):
            epochs.append([dataset[index]["input_ids"] for index in range(8)])
        return epochs

    assert list_epochs(1) == list_epochs(1)
    assert list_epochs(1) != list_epochs(2)
    first, second, _ = list_epochs(1)
    assert first != second
    first, second, _ = list_epochs(None)
    assert first == second


def test_every_pair_is_met_once_in_an_epoch_in_an_order_of_its_own(tokenizer: Tokenizer) -> None:
    pairs = [TrainingPair("film", "a " * (number + 1), "the film .") for number in range(30)]
    dataset = PairDataset(pairs, tokenizer)
    orders = []
    for dataset.epoch in (0, 1, 0):
        orders.append(list(LikeLengthSampler(dataset, batch_size=3, seed=1)))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(30))
    assert orders[0] != list(LikeLengthSampler(dataset, batch_size=3, seed=2))


def test_a_batch_has_pairs_of_like_lengths(tokenizer: Tokenizer) -> None:
    pairs = [TrainingPair("film", "a " * (1 + 37 * number % 100), "the film .") for number in range(100)]
    dataset = PairDataset(pairs, tokenizer)
    lengths = torch.tensor(dataset.measure_lengths(), dtype=torch.float)
    grouped = lengths[list(LikeLengthSampler(dataset, batch_size=5, seed=1))].view(-1, 5)
    # Batches that were drawn without regard to length would spread by about 29.
    assert grouped.std(dim=1).mean() < 10
