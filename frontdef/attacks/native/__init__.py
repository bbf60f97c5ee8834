"""The attacks that frontdef brings itself: projected gradient descent and random noise, in plain batched torch."""
