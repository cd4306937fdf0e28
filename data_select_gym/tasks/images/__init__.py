"""Tasks of images: CIFAR, folders of files, models and augmentation."""
