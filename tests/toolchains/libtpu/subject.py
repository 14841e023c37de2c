"""One small layer for the Cloud TPU part, with nothing symmetric about it."""

SMALL = {  # a row of networks.layer_table: 6x5x3 -> 12x10x4, 5x5 s2 SAME
    "name": "up",
    "kind": "deconv",
    "in_h": 6,
    "in_w": 5,
    "c_in": 3,
    "c_out": 4,
    "k_h": 5,
    "k_w": 5,
    "stride_h": 2,
    "stride_w": 2,
    "dilation_h": 1,
    "dilation_w": 1,
    "groups": 1,
    "padding": "SAME",
    "out_h": 12,
    "out_w": 10,
    "macs": 9000,
    "before_h": 1,
    "before_w": 1,
    "end_h": 2,
    "end_w": 2,
}
SUBJECT = {"network": "small", "layer": "up", "kind": "layer", "layers": [SMALL]}
NATIVE = (("native", "concat"),)
