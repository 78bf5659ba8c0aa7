"""The command `cm-collectives`: one file per command, built on the public interface only."""
