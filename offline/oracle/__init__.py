"""The Oracle: a large teacher writes candidate explanations under the faithfulness constraint (the label step)."""
