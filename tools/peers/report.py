"""What `make peers` prints: how far the numbers agree."""

KEYS = ["peer", "network", "method", "array", "dataflow"]


def cycles(counted):
    """Of each run: convolutions, equal ones, ones mapped the same, and equal ones of these."""
    equal = counted["ours"] == counted["theirs"]
    groups = counted.assign(equal=equal, equal_where_same=equal & counted["same"])
    columns = {
        "convolutions": ("equal", "size"),
        "equal": ("equal", "sum"),
        "same_mapping": ("same", "sum"),
    }
    summary = groups.groupby(KEYS, sort=False).agg(
        **columns, equal_where_same=("equal_where_same", "sum")
    )
    title = "\ncycles of stated convolutions (ZigZag: without fill, drain and stalls)\n"
    return title + summary.reset_index().to_string(index=False)


def energies(ratios):
    """NZP over SD, ours and ZigZag's, and where they are farthest apart."""
    lines = [
        "\nenergy of NZP over that of SD, transposed convolutions, same constants",
        "(alone: convolutions one by one, in memories as ZigZag has them; words: ZigZag's DRAM",
        "traffic over that; least: ZigZag's energy with no more DRAM traffic than that)",
        ratios.to_string(index=False, float_format="{:.3f}".format),
    ]
    for column in ("difference", "difference_alone", "difference_least"):
        worst = ratios.loc[ratios[column].abs().idxmax()]
        place = ", ".join(worst[["network", "array", "dataflow"]])
        lines.append(f"largest {column}: {worst[column]:+.1%} ({place})")
    return "\n".join(lines)


def traffic(moved):
    """DRAM words beside accelforge's."""
    table = moved.assign(
        given=words(moved, "given") / words(moved, "ours"),
        found=words(moved, "found") / words(moved, "ours"),
    )
    title = (
        "\nDRAM words, one buffer for all operands; accelforge's over ours: given our nest, found\n"
    )
    columns = ["network", "method", "layer", "ours_input", "ours_weight", "ours_output", "same"]
    table = table[[*columns, "given", "found"]]
    return title + table.to_string(index=False, float_format="{:.4f}".format)


def words(moved, who):
    """All words that one of them moves."""
    return sum(moved[f"{who}_{name}"] for name in ("input", "weight", "output"))
