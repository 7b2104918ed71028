"""Everything that touches the model: artifacts on disk, and CTranslate2 behind the core's port."""
