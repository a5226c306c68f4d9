/* The four libnuma functions that msquic calls, for a machine that is one node. */
int numa_available(void);
int numa_num_configured_nodes(void);
int numa_node_of_cpu(int cpu);
int numa_node_to_cpus(int node, void* mask);

int numa_available(void) {
  return -1;
}
int numa_num_configured_nodes(void) {
  return 1;
}
int numa_node_of_cpu(int cpu) {
  (void)cpu;
  return 0;
}
int numa_node_to_cpus(int node, void* mask) {
  (void)node;
  (void)mask;
  return -1;
}
