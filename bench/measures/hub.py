"""Token checks, start-up time and memory against JupyterHub."""

import hub


def run(machine, options):
    """Runs the measure, prints its tables and gives its samples back."""
    del machine, options
    lines, samples = hub.run()
    print("\n".join(lines))
    return samples
