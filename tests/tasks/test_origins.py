import inspect
import re
from pathlib import Path

import pytest

from data_select_gym.envs import DataSelectEnv
from data_select_gym.task_registry import ORIGINS
from data_select_gym.tasks import TASKS, MissingArgumentError, make_task

PAGES = Path(__file__).parents[2] / "docs" / "environments"


def test_every_task_that_needs_data_says_where_it_can_be_had() -> None:
    assert set(ORIGINS) == {name for name, make in TASKS.items() if "data_dir" in inspect.signature(make).parameters}
    assert len(ORIGINS) >= 5


@pytest.mark.parametrize("task", ORIGINS)
def test_missing_data_are_told_with_where_they_can_be_had(task: str) -> None:
    for make in (make_task, DataSelectEnv):
        with pytest.raises(MissingArgumentError, match=re.escape(ORIGINS[task])):
            make(task)
    assert TASKS[task]


@pytest.mark.parametrize("task", ["cifar10", "cifar100"])
def test_a_folder_without_the_data_is_told_with_where_they_can_be_had(task: str, tmp_path: Path) -> None:
    for folder, wrong in ((tmp_path, "holds no CIFAR-"), (tmp_path / "none", "is not a folder")):
        with pytest.raises(FileNotFoundError, match=f"{wrong}.*{re.escape(ORIGINS[task])}"):
            make_task(task, data_dir=folder)


@pytest.mark.parametrize("task", ORIGINS)
def test_the_page_of_the_environment_has_the_links(task: str) -> None:
    page = (PAGES / f"{task.replace('_', '-')}.md").read_text(encoding="utf-8")
    links = re.findall(r"https?://[^\s,;]+", ORIGINS[task])
    assert links and [link for link in links if link not in page] == []
