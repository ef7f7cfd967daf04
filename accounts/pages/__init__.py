"""The pages by which people come in and go, and those of their sign-ins and second factor."""
