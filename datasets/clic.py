"""The validation pictures of the Challenge on Learned Image Compression (CLIC) 2020: professional and mobile.

Test sets, never to be trained or tuned on. The sums of the archives are those that TensorFlow Datasets checks
(url_checksums/clic.txt), the names of the professional pictures those in the results of Cool-Chic
(results/v5.0/image-clic20-pro-valid.tsv). The names of the mobile pictures are not known here, only that there are 61.
"""

from pathlib import Path

from .published import PublishedSet

_PROFESSIONAL = (
    "alberto-montalesi-176097.png",
    "alejandro-escamilla-6.png",
    "ales-krivec-15949.png",
    "alexander-shustov-73.png",
    "allef-vinicius-109434.png",
    "amy-zhang-15940.png",
    "andrew-ruiz-376.png",
    "benjamin-sloth-lindgreen-705.png",
    "casey-fyfe-999.png",
    "clem-onojeghuo-33741.png",
    "daniel-robert-405.png",
    "davide-ragusa-716.png",
    "dogancan-ozturan-395.png",
    "felix-russell-saw-140699.png",
    "gian-reto-tarnutzer-45212.png",
    "jared-erondu-21325.png",
    "jason-briscoe-149782.png",
    "jeremy-cai-1174.png",
    "juskteez-vu-1041.png",
    "kazuend-28556.png",
    "lobostudio-hamburg-75377.png",
    "martin-wessely-211.png",
    "martyn-seddon-220.png",
    "michael-durana-82941.png",
    "mullermarc-184.png",
    "nomao-saeki-33553.png",
    "paul-itkin-46101.png",
    "philipp-reiner-207.png",
    "philippe-wuyts-45997.png",
    "roberto-nickson-48063.png",
    "schicka-307.png",
    "sergey-zolkin-1045.png",
    "sergey-zolkin-21232.png",
    "stefan-kunze-26931.png",
    "thong-vo-428.png",
    "todd-quackenbush-222.png",
    "todd-quackenbush-27493.png",
    "veeterzy-82537.png",
    "vita-vilcina-3055.png",
    "wojciech-szaturski-3611.png",
    "zugr-108.png",
)

CLIC_PROFESSIONAL = PublishedSet(
    title="CLIC 2020 professional validation",
    folder="clic2020-pro-valid",
    n_images=41,
    names=_PROFESSIONAL,
    source="https://data.vision.ee.ethz.ch/cvl/clic/professional_valid_2020.zip",
    archive_sha256="00be38092ade2ab5163b65f7f6523d46c7bca147007f559adbb02c0afc236b7d",
)
CLIC_MOBILE = PublishedSet(
    title="CLIC 2020 mobile validation",
    folder="clic2020-mobile-valid",
    n_images=61,
    names=None,
    source="https://data.vision.ee.ethz.ch/cvl/clic/mobile_valid_2020.zip",
    archive_sha256="ff0280382eeb32fdceb28c81a7f47ac9ad86d933ebe901680845635d04e47a10",
)


def clic_professional() -> list[Path]:
    """The 41 pictures under LCODEC_DATA/clic2020-pro-valid. Raises ValueError as `PublishedSet.paths` does."""
    return CLIC_PROFESSIONAL.paths()


def clic_mobile() -> list[Path]:
    """The 61 pictures under LCODEC_DATA/clic2020-mobile-valid. Raises ValueError as `PublishedSet.paths` does."""
    return CLIC_MOBILE.paths()
