"""What an installation costs a month, from its templates and a dated price file. Pure functions; nothing here asks AWS
for a price, makes a construct or imports the CDK.
"""
