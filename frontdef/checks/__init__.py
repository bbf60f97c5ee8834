"""Checks of other people's code: is a gradient lying, is an attack right, does a defense keep its promises?"""
