"""`/v1/responses`: a chat whose turns the gateway keeps, in OpenAI's newer form."""
