import pytest
import torch

from fpnlib.exercises import Exercise, all_exercises, check, compare, hint, solution

NAMES = sorted(all_exercises())


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(name):
    feedback = check(name, all_exercises()[name].solution)
    assert feedback.right, feedback
    assert repr(feedback) == f"{name}: right"


@pytest.mark.parametrize("name", NAMES)
def test_plausible_wrong_answers_are_told_what_is_wrong(name):
    wrong = all_exercises()[name].wrong
    assert len(wrong) >= 2
    faults = {check(name, answer).fault for answer, _ in wrong}
    assert len(faults) == len(wrong), "two wrong answers are told the same"
    for answer, word in wrong:
        feedback = check(name, answer)
        assert not feedback.right
        assert word in feedback.fault


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_fault_is_shown_by_example(name):
    feedback = check(name, lambda *case: 17.0)
    assert not feedback.right
    assert "17" in feedback.fault


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_and_a_raising_answer(name):
    assert "no answer so far" in check(name, ...).fault
    assert "raised ZeroDivisionError" in check(name, lambda *case: 1 / 0).fault
    assert repr(check(name, ...)).startswith(f"{name}: not yet. ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.bad_input
def test_answers_of_another_kind_are_told_so(name):
    assert "returns nothing" in check(name, lambda *case: None).fault
    assert "A function is asked for" in check(name, (1, 2)).fault
    assert check(name, lambda *case: {"a": 1}).fault.startswith("For (")


def test_an_answer_cannot_pass_by_changing_what_it_is_given():
    def cheat(ranking):
        ranking[:] = True
        return 1.0

    assert not check("average precision", cheat).right


def test_an_answer_may_be_a_tensor():
    numbers = [((0.1,), (0.2,)), ((3.0,), (4.0,))]
    as_tensor = lambda *case: torch.tensor([case[0][0] / 3, float("nan")], requires_grad=True)  # noqa: E731
    assert compare(as_tensor, lambda *case: [case[0][0] / 3, float("nan")], numbers, {}) is None
    assert compare(as_tensor, lambda *case: [case[0][0] / 3, 0.0], numbers, {}) is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_can_be_shown(name):
    assert len(solution(name)) > 10


def test_hints_come_in_steps():
    hints = all_exercises()["average precision"].hints
    assert hint("average precision") == f"{hints[0]} ({len(hints) - 1} more)"
    assert hint("average precision", len(hints)).endswith("(The last hint.)")
    for step in (0, len(hints) + 1):
        with pytest.raises(ValueError, match=f"step: got {step}, allowed: 1 to {len(hints)}"):
            hint("average precision", step)


@pytest.mark.parametrize("name", NAMES)
def test_no_hint_is_the_solution(name):
    exercise = all_exercises()[name]
    assert all(20 < len(step) < 300 for step in exercise.hints)
    assert solution(name) not in exercise.hints


def test_no_exercise_is_without_hints_in_steps():
    for hints in ((), ("Look at the ends first.",)):
        with pytest.raises(ValueError, match=rf"sums hints: got {len(hints)}, allowed: two or more"):
            Exercise("sums", "Add.", lambda answer: None, sum, (), hints)


def test_an_unknown_exercise_lists_the_known():
    with pytest.raises(ValueError, match=r"name: got 'alchemy', allowed: .*'average precision'"):
        check("alchemy", 1)
    with pytest.raises(ValueError, match="name: got 'alchemy'"):
        solution("alchemy")
