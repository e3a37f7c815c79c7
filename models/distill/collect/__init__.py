"""How conversations come in: from files of others, from a teacher, from tasks that a teacher invents."""
