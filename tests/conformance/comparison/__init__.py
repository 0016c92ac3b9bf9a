"""The same migrations, judged by Lockgate and by the other linters that know Django or PostgreSQL.

``cases`` says what is judged and what is true of it, ``meanings`` what each tool's rules mean, ``tools`` runs them,
``verdicts`` holds their answers against the truth, ``page`` writes docs/evidence/comparison.md. The answers of the
other tools are kept in ``answers.json``, so that the page can be made anew, and tested, without them.
"""
