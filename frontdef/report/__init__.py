"""The report: verdicts in one offline HTML file."""
