"""Each check finds the fault that it is there for: what fails on components with one fault."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

FOUND_BY = {
    "TestStatefulEncoder": "test_bits_depend_on_the_value_alone",
    "TestEncoderOfWholeChunks": "test_bits_depend_on_the_value_alone",
    "TestEncoderWithoutAPlaceForMissing": "test_missing_values_have_no_bits",
    "TestEncoderWithoutSeed": "test_the_seed_decides",
    "TestEncoderWithAWrongSize": "test_bits_are_well_formed",
    "TestSourceWhoseOrderHangsOnChunks": "test_chunk_sizes_do_not_show",
    "TestSourceWithOneGenerator": "test_the_order_is_a_function_of_seed_and_epoch",
    "TestSourceThatTestsWhatItTrained": "test_what_is_held_out_is_not_learned",
    "TestSourceWithMoreClassesThanItSays": "test_samples_are_as_declared",
    "TestSourceWithOneFingerprint": "test_validation_leaves_the_test_samples_alone",
    "TestComputeThatWrites": "test_inference_leaves_no_trace",
    "TestStateThatLacksSomething": "test_chunks_and_stops_do_not_show",
    "TestReadoutThatLearnsAnyway": "test_nothing_is_learned_where_learning_is_off",
    "TestReadoutThatDoesNotWaitForCommits": "test_nothing_is_learned_before_the_commit",
    "TestReadoutThatLearnsNothing": "test_commits_are_learned_from",
    "TestScoresThatAreNoProbabilities": "test_scores_are_probabilities",
    "TestStageOfAnotherSize": "test_bits_are_those_that_it_declares",
    "TestStageThatLearnsFromInference": "test_inference_leaves_no_trace",
    "TestStageThatSaysMoreOfLaterRows": "test_rows_that_are_said_to_need_no_others_do_not",
    "TestLayerOfAnotherShape": "test_shapes_are_as_declared",
    "TestLayerWithTorchsOwnRandomNumbers": "test_seed_and_place_decide",
    "TestLayerThatMixesSamples": "test_inference_changes_nothing_and_samples_stand_alone",
    "TestMeasureThatForgets": "test_stops_do_not_show",
    "TestMeasureThatTeaches": "test_the_pipeline_is_left_as_it_was",
    "TestBackendWithOtherBytes": "test_it_is_equal_to_the_reference",
}


class Failures:
    """A pytest plugin that notes which checks failed, by class."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = collections.defaultdict(set)
        self.run: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            owner, check = report.nodeid.split("::")[1:]
            self.run.add(owner)
            if report.failed:
                self.found[owner].add(check.partition("[")[0])


@pytest.fixture(scope="module")
def failures() -> Failures:
    noted = Failures()
    mutants = Path(__file__).with_name("mutants.py")
    quiet = ("-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist")
    pytest.main([str(mutants), *quiet], plugins=[noted])
    return noted


@pytest.mark.parametrize(("mutant", "check"), FOUND_BY.items())
def test_the_fault_is_found(failures: Failures, mutant: str, check: str) -> None:
    assert check in failures.found[mutant]


def test_what_has_no_fault_passes(failures: Failures) -> None:
    sound = {"TestSound", "TestSoundSource"}
    assert failures.run == sound | set(FOUND_BY)
    assert not {name: failures.found[name] for name in sound if failures.found[name]}
