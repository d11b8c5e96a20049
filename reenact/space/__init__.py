"""The page: one file per tab, over the functions of `reenact.pipeline`. No tensor code, no logic of its own."""
