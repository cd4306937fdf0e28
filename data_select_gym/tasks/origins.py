"""Where the data of the built-in tasks can be had, for errors that tell of missing data; nothing is downloaded."""

from __future__ import annotations

# By the names of the tasks.
ORIGINS = {
    "cifar10": (
        "CIFAR-10 can be had from https://www.cs.toronto.edu/~kriz/cifar.html, binary or Python version, or as parquet "
        "from https://huggingface.co/datasets/uoft-cs/cifar10; data_dir is the folder that holds its files or the "
        "unpacked folder"
    ),
    "cifar100": (
        "CIFAR-100 can be had from https://www.cs.toronto.edu/~kriz/cifar.html, binary or Python version, or as "
        "parquet from https://huggingface.co/datasets/uoft-cs/cifar100; data_dir is the folder that holds its files or "
        "the unpacked folder"
    ),
    "image_folder": (
        "data_dir is a folder with train/CLASS/*.jpg and perhaps val and test alike, such as ImageNet from "
        "https://www.image-net.org/download.php or Tiny-ImageNet from "
        "http://cs231n.stanford.edu/tiny-imagenet-200.zip; dataset is a folder or a name of "
        "https://huggingface.co/datasets"
    ),
    "text_classification": (
        "data_dir is a folder with train.tsv, .csv or .jsonl and perhaps dev and test alike, such as SST-2 from "
        "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip; dataset is a folder or a name such as 'stanfordnlp/sst2' "
        "of https://huggingface.co/datasets"
    ),
    "instruction_tuning": (
        "data_dir is a folder with train.jsonl or train.json, or one such file, such as alpaca_data.json from "
        "https://github.com/tatsu-lab/stanford_alpaca or databricks-dolly-15k.jsonl from "
        "https://huggingface.co/datasets/databricks/databricks-dolly-15k"
    ),
}
