# In a cluster (slurm.sh): the set in ./videos, by an array of jobs, by srun, by srun in an array, and by
# mpirun in an array. Sourced by nobody; spread.sh runs it and looks at what came out.
trap 'echo "slurm-jobs.sh: line $LINENO failed" >&2' ERR
encode="vtfilter encode -q --threads 1 --data-dir videos --shard auto -o"
# A job whose video is cut ends with status 3.
sbatch -Q --wait -o job-%A_%a --array=0-2 --wrap "$encode array/" && exit 1 || [ $? = 3 ]
srun -Q -n 3 $encode srun/ 2> words && exit 1 || [ $? = 3 ]
sbatch -Q --wait -o job-%A_%a --array=5-6 --ntasks=2 --wrap "srun -Q $encode both/" && exit 1 || [ $? = 3 ]
sbatch -Q --wait -o job-%A_%a --array=1-2 --ntasks=2 --wrap \
  "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun.openmpi --oversubscribe \
    --mca orte_abort_on_non_zero_status 0 -n 2 $encode mpirun-in-array/"
# An array with gaps numbers no parts; it is said.
sbatch -Q --wait -o gaps-%a --array=1,5 --wrap "$encode gaps/" && exit 1 || [ $? = 2 ]
grep -q "without gaps" gaps-1 gaps-5
