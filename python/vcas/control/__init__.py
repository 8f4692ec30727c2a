"""How much each backward pass keeps: settings, records of forward passes, adaptation, and the controller.

Nothing here knows how the blocks of a model are run; :mod:`vcas.attach` does, and uses this folder.
"""
