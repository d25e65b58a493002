"""The recommender: from a file of interactions to recommendations, one room for each step.

data        interactions, their readers, splits and factors
evaluation  metrics, the protocol, significance, what the condition depends on
models      what attention is compared with
serving     a trained conditioner for new users, and recommendations
training    `fit`: train every model on every split
reporting   `write_report`: a run in words, tables and pictures
exploring   an HTML page that shows attention, user by user
"""
