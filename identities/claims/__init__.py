"""The claim wave: owners proposed with reasons for what nobody owns, asked, answered, counted.

`choosing` says who is asked, `gathering` reads what the evidence says of an owner, `proposing`
writes the questions, `asking` puts them before people, `answering` and `ruling` take what people
sign, `carrying` makes them owners, `counting` counts. Humans are nobody's to own and are left out.
"""
