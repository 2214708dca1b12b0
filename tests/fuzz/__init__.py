"Malformed inputs by category, seeded; each is held to one clear refusal that leaves nothing behind."
