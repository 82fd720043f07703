"""Coded terms of the results: standard codes where they exist, and a few of our own."""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

OWN_SCHEME = CodingSchemeIdentificationItem(
    "99TBKD", name="Terms of monai_tbkd", version="1", responsible_organization="monai_tbkd"
)
"""Declared in the objects that use it (PS3.3, table C.12-1)."""

TUBERCULOSIS = Code("56717001", "SCT", "Tuberculosis")
CHEST_RADIOGRAPHY = Code("399208008", "SCT", "Plain chest X-ray")
LUNG = codes.SCT.Lung
ABNORMAL = codes.SCT.MorphologicallyAbnormalStructure

# of Chest CAD (TID 4100 and 4104), in percent: certainty for the whole image, and for one finding
IMAGE_SCORE = codes.DCM.CertaintyOfImpression
BOX_SCORE = codes.DCM.CertaintyOfFinding
SUMMARY = codes.DCM.CADProcessingAndFindingsSummary
WITH_FINDINGS = codes.DCM.AllAlgorithmsSucceededWithFindings
WITHOUT_FINDINGS = codes.DCM.AllAlgorithmsSucceededWithoutFindings
COMMENT = codes.DCM.Comment
FINDING = codes.DCM.Finding
PERCENT = codes.UCUM.Percent

# no standard scheme has codes for these
THRESHOLD = Code("TBKD001", "99TBKD", "Score threshold")
DECISION = Code("TBKD002", "99TBKD", "Decision at the threshold")
TB_SUGGESTIVE = Code("TBKD003", "99TBKD", "TB suggestive")
NOT_TB_SUGGESTIVE = Code("TBKD004", "99TBKD", "not TB suggestive")
NOT_ANALYSED = Code("TBKD005", "99TBKD", "not analysed")
REASON = Code("TBKD006", "99TBKD", "Reason why not analysed")
REFUSAL = Code("TBKD007", "99TBKD", "Statement that an image was not analysed")
SOURCE = codes.DCM.SourceImage
ENGLISH = Code("en-US", "RFC5646", "English (United States)")
