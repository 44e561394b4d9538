import pytest

from xraygan.names import class_folders, is_folder_name


@pytest.mark.parametrize(
    ("classes", "folders"),
    [
        (["NORMAL", "PNEUMONIA"], ["NORMAL", "PNEUMONIA"]),
        (["Mass", "mass", "MASS."], ["Mass", "mass_2", "MASS_3"]),
        (["CON", "aux.txt", "Com1", "console"], ["CON_", "aux_.txt", "Com1_", "console"]),
        ([" Lung ", "..."], ["Lung", "class"]),
        (["肺" * 40], ["肺" * 33]),
    ],
)
def test_folders_that_every_system_can_have(classes: list[str], folders: list[str]) -> None:
    assert list(class_folders(classes).values()) == folders
    assert all(map(is_folder_name, folders))
