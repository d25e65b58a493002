"""Evaluation: ranking metrics, the protocol, paired differences, and what a condition depends on."""

from acg_numpy.recommender.evaluation.metrics import metric_at_k, ndcg_at_k, recall_at_k, top_k

__all__ = ["metric_at_k", "ndcg_at_k", "recall_at_k", "top_k"]
