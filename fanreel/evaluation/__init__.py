"""Measuring what we claim: labelled pictures and videos in, the field's numbers out.

labelled      labelled photographs, from a folder or a zip; the labelled face of each, embedded
verification  one-to-one comparison: accuracy, AUC, TAR at FMR, pooled templates
det           the detection error trade-off as a drawing
fit_plot      a fitted tail beside the measured one, as a drawing
strangers     labelled people enrolled as fans who are not there
appearances   who was recognised when, against what a person saw
attribute_stills, calibration  expressions, apparent gender and age on labelled pictures

Used by `fanreel eval` and the fitting commands only; nothing the product runs depends on it.
"""
