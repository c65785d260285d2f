"""The objects that ``feast apply`` registers: it looks for them among this module's names.

They follow from the specification of the features; nothing is declared here.
"""

from cartwise.feast.views import entities, feature_service, feature_views
from cartwise.features.catalogue import SPECIFICATION

globals().update({f"entity_{entity.name}": entity for entity in entities(SPECIFICATION)})
globals().update({f"view_{view.name}": view for view in feature_views(SPECIFICATION)})

cart_conversion_v1 = feature_service(SPECIFICATION)
