"""What agents learn, against formulas of the books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from htmrun.backends import load_backend
from htmrun.components.agents import Agent, Step
from htmrun.components.agents.actor_critic import ActorCritic, ActorCriticParameters
from htmrun.components.classifiers import Site
from htmrun.components.environments.grid_world import Grid, GridWorld, GridWorldParameters
from htmrun.components.layout import Layout
from htmrun.components.registry import kinds


def agent(kind: str, settings: dict[str, Any], grid: dict[str, Any] | None = None) -> Agent:
    source = GridWorld(GridWorldParameters.model_validate(grid or {}), Path())
    p = kinds("readout")[kind].parameters.model_validate(settings)
    front = Layout("observation", (4,), False)
    site = Site("agent", front, source, load_backend("cpu"), "cpu", 5, (), 100, 100)
    made = kinds("readout")[kind].component.build(p, site)
    assert isinstance(made, Agent)
    return made


def step(before: Any, action: int, reward: float, after: Any, over: bool, commit: bool) -> Step:
    return Step(np.array(before, float), action, reward, np.array(after, float), over, commit, True)


def test_a_window_of_an_episode_with_full_traces_is_monte_carlo() -> None:
    """Offline TD(1) is every-visit Monte Carlo (Sutton, Barto 2018, section 12.1)."""
    p = ActorCriticParameters(actor_rate=0.3, critic_rate=0.2, discount=0.9, trace=1.0)
    model = ActorCritic(p, 6, 2)
    model.weights[0] = np.linspace(-1, 1, 6)
    value, rewards, actions = model.weights[0].copy(), [1.0, -2.0, 3.0, 0.5], [0, 1, 1, 0]
    for place, reward in enumerate(rewards):
        after = None if place == 3 else np.array([place + 1])
        on = np.array([place])
        model.learn(on, actions[place], model.error(on, reward, after))
    model.commit()
    for place in range(4):
        total = sum(0.9**k * r for k, r in enumerate(rewards[place:]))
        gain = total - value[place]
        assert model.weights[0, place] == pytest.approx(value[place] + 0.2 * gain)
        # The gradient of the log of an even chance of two actions is one half, up and down.
        change = 0.3 * gain * (np.arange(2) == actions[place]) - 0.3 * gain / 2
        assert model.weights[1:, place] == pytest.approx(change)
    assert (model.weights[0, 4:] == value[4:]).all()


def test_traces_without_memory_learn_one_step_back() -> None:
    model = ActorCritic(ActorCriticParameters(discount=0.5, trace=0.0, critic_rate=0.1), 3, 2)
    for on, after, reward in ((0, 1, 0.0), (1, None, 8.0)):
        on_bits = np.array([on])
        error = model.error(on_bits, reward, None if after is None else np.array([after]))
        model.learn(on_bits, 0, error)
        model.commit()
    assert model.weights[0] == pytest.approx([0.0, 0.8, 0.0])


def test_a_networks_episode_is_its_generalised_advantages_times_gradients() -> None:
    """Sums of error * trace are sums of advantage * gradient (Schulman et al. 2016)."""
    made: Any = agent("policy_network", {"units": 5, "method": "sgd", "rate": 0.1,
                                         "discount": 0.9, "trace": 0.8})  # fmt: skip
    with torch.no_grad():
        for weight in made._weights:
            weight.add_(torch.linspace(-0.3, 0.4, weight.numel()).reshape(weight.shape))
    places = [[0, 0, 4, 4], [1, 0, 4, 4], [1, 1, 4, 4], [2, 1, 4, 4]]
    rewards, actions = [0.5, -1.0, 2.0], [1, 2, 0]
    outputs = [made._forward(np.array(place, float)) for place in places]
    values = [float(out[-1].detach()) for out in outputs[:3]] + [0.0]
    errors = [r + 0.9 * values[i + 1] - values[i] for i, r in enumerate(rewards)]
    gains = [sum((0.9 * 0.8) ** (k - i) * errors[k] for k in range(i, 3)) for i in range(3)]
    aims = [
        torch.log_softmax(out[:-1], 0)[a] + out[-1]
        for out, a in zip(outputs, actions, strict=False)
    ]
    loss = sum(-gain * aim for gain, aim in zip(gains, aims, strict=True)) / 3
    wanted = [
        weight.detach() - 0.1 * slope
        for weight, slope in zip(
            made._weights, torch.autograd.grad(loss, made._weights), strict=True
        )
    ]
    made.begin()
    for i in range(3):
        made.hear(step(places[i], actions[i], rewards[i], places[i + 1], i == 2, i == 2))
    for weight, want in zip(made._weights, wanted, strict=True):
        torch.testing.assert_close(weight.detach(), want)


def test_a_table_by_hand() -> None:
    table: Any = agent("q_table", {"bins": 5, "rate": 0.5, "discount": 0.9, "explore": 0.2})
    here, there, end = [0, 0, 4, 4], [1, 0, 4, 4], [2, 0, 4, 4]
    table.hear(step(there, 1, 1.0, end, True, True))
    table.hear(step(here, 3, -0.2, there, False, True))
    # 0.5 * 1, then 0.5 * (-0.2 + 0.9 * 0.5).
    assert table._table[table._cell(np.array(there, float)), 1] == pytest.approx(0.5)
    assert table._table[table._cell(np.array(here, float)), 3] == pytest.approx(0.125)
    assert table.policy(np.array(here, float)) == pytest.approx([0.05, 0.05, 0.05, 0.85])
    table.hear(step(there, 1, 1.0, end, True, False))  # Not before its commit.
    assert table._table.max() == pytest.approx(0.5)


def test_behaviour_reads_out_the_action_that_leads_to_a_neighbour() -> None:
    settings = {
        "usual": {"size": 30, "active": 9}, "action_bits": 20, "babble": 0, "horizon": 1,
        "sp": {"columns": 512, "density": 0.04, "increment": 0.02, "decrement": 0.01,
               "potential_fraction": 0.8, "boost_strength": 3.0},
    }  # fmt: skip
    made: Any = agent("behaviour", settings)
    world = Grid(GridWorldParameters.model_validate({}))
    random = np.random.RandomState(1)
    for episode in range(60):
        now, _ = world.reset(seed=episode)
        made.begin()
        for _ in range(30):
            action = int(random.randint(4))
            after, reward, over, _, _ = world.step(action)
            made.hear(Step(now, action, -reward, after, over, True, True))
            now = after
    right = []
    for x in range(1, 4):
        for y in range(1, 4):
            for action, (dx, dy) in enumerate(((0, -1), (1, 0), (0, 1), (-1, 0))):
                seen = np.array([x, y, x + dx, y + dy], float)
                right.append(int(made.votes(seen).argmax()) == action)
    assert np.mean(right) > 0.7  # By chance a quarter.


def test_a_pooler_hears_no_more_than_good_neutral_or_bad() -> None:
    made: Any = agent("reward_pooler", {"neutral": 0.5, "sp": {"columns": 64}})
    assert [made.heard(error) for error in (3.0, 0.51, 0.5, 0.0, -0.5, -0.6)] == [1, 1, 0, 0, 0, -1]
    mild: Any = agent("reward_pooler", {"on_bad": "none", "sp": {"columns": 64}})
    assert [mild.heard(error) for error in (3.0, -3.0)] == [1, 0]


@pytest.mark.parametrize("kind", ["reward_pooler", "behaviour", "policy_network", "q_table"])
def test_asking_writes_nothing_and_a_window_changes_nothing_before_its_commit(kind: str) -> None:
    made = agent(kind, {"babble": 0} if kind == "behaviour" else {})
    seen = np.array([[1, 2, 4, 4], [3, 3, 0, 0]], float)
    before = {name: array.copy() for name, array in made.state().items()}
    first = made.compute({"observation": seen}, np.zeros(2, np.uint8))[0].probability
    for name, array in made.state().items():
        assert (array == before[name]).all()
    for place in range(6):
        made.hear(step([1, 2, 4, 4], place % 4, 2.0 - place, [1, 1, 4, 4], False, False))
    again = made.compute({"observation": seen}, np.zeros(2, np.uint8))[0].probability
    assert (again == first).all()
    made.hear(step([1, 2, 4, 4], 1, 1.0, [2, 2, 4, 4], True, True))
    after = {name: array for name, array in made.state().items() if "pending" not in name}
    assert any(not np.array_equal(array, before[name]) for name, array in after.items())


def test_actions_are_drawn_as_often_as_the_policy_says() -> None:
    table: Any = agent("q_table", {"explore": 0.4})
    taken = np.bincount([table.act(np.zeros(4)) for _ in range(4000)], minlength=4) / 4000
    assert taken == pytest.approx([0.7, 0.1, 0.1, 0.1], abs=0.03)
