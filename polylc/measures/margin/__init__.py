"""Measures of margins between classes: robustness and adversarial distances."""
