"""Tasks for agents that speak MCP, at /mcp (docs/mcp.md).

door        one HTTP request: who asks, from where, in which form
server      what the protocol's SDK asks of us
tools       the table of tools       older      those that the older server had
resources   what can be read by URI  waits      waiting for tasks, all of a process in one query
rest        the same views that REST has, called within the process
schemas     JSON Schema of their forms          arguments  what does not fit a tool's schema
"""
