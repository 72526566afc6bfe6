"""`riskstream demo`: a minute of a simulated city, from device to alert to SQL."""
