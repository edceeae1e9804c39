"""Shapes of REST's bodies, queries and answers: they check what comes in, and describe all of it in the document.

They are made of the contract: ``schema_of`` a message, ``body_of`` and ``query_of`` a route.
"""

from gateway.shapes.fields import Input
from gateway.shapes.schemas import Use, body_of, query_of, schema_of

__all__ = ["Input", "Use", "body_of", "query_of", "schema_of"]
