import sys

import monai_tbkd

model = monai_tbkd.load_model()


def boxes_of(path):
    finding = model.locate(path)
    return finding.score, list(finding.boxes)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(path, *boxes_of(path))
