"""The resources that each job asks for, and the sizes of jobs from which they follow."""
