"""Commands of the `rsx` program, one module per subject. rsx/cli.py registers them."""
