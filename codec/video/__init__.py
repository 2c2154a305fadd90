"""Moving pictures: frames predicted from decoded ones, and what is left of them through the parts of still pictures."""
