"""The report of an analysis: what happens in the layers, as one offline HTML file."""
