/* The two functions of OpenMP that are asked for, where oneDNN is built without it: one thread. */
int omp_get_max_threads(void);
void omp_set_num_threads(int count);

int omp_get_max_threads(void) { return 1; }
void omp_set_num_threads(int count) { (void)count; }
